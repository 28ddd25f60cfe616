//! The program annals: look into and run an annals store.
