"""The dashboard: Flask pages over the federations and their live stream."""
