"""What Sphinx needs to render the book: extensions, listed in `_config.yml`. They import little, since Sphinx loads them first."""
