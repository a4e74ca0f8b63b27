//! Questions, menus and phrases, on the simulator.
