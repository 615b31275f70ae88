"""Every visitor: older browsers, keyboards, screen readers, high contrast, large type, small windows."""
