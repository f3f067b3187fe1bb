"""Where training tuples come from.

`procedural` scenes, seen through a `camera`, are made while a network trains, or stored by
`procedural_dataset`; path-traced ones are stored by `traced_dataset`, which renders them with
`blender` from `assets`. `layout` is how both lie on disk.
"""
