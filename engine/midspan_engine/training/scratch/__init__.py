"""One small transformer trained from nothing, twice: autoregressive, and as masked diffusion."""
