"""Drawn licence plates and drawn scenes: text, faces, layout, geometry, light and camera.

Everything here is a function of a seed. Nothing reads a clock or the network, and nothing
imports torch, so that the demo's gate scene can be drawn on a machine without it.
"""
