"""HTTP in front of the engine: OpenAI's, Mercury's and llama.cpp's requests, and a page."""
