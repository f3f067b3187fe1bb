"""Files in and out, so that nothing but the highlights is lost."""
