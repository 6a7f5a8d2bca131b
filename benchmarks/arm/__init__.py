"""What a model costs on ARM cores, without a board: guest instructions per inference under emulation.

QEMU's user mode runs the aarch64 wheels that a board would run, and tells them that they are on the board's core; a
plugin of ours counts the instructions that they execute, by class. An emulator has no caches, no pipeline and no clock
of the core's: nothing here is a time, and instructions of different kinds do not take equally long.
"""
