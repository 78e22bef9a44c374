SUMMARY = "The image that units in the field carry"
DESCRIPTION = "Read-only root in two slots; no ssh, no getty, no debugger, no password."

require edge-image.inc
