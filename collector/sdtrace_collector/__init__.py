"""Runs Stable Diffusion variants under torch.profiler and writes Chrome traces."""
