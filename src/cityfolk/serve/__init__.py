"""An OpenAI-compatible endpoint in front of any engine."""
