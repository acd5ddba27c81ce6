"""Training of the diffusion adapter: data, objective, trainer."""
