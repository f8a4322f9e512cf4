"""Gift recommendations over HTTP: the reference backend that this repository deploys."""
