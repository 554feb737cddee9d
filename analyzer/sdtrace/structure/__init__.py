"""What a run does again and again: iterations, denoising steps, components."""
