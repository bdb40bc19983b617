"""What is deployed of wheels: a Lambda layer, a container image."""
