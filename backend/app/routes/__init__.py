"""One module per subject; `app.main` puts them together."""
