//! Containers through the real binary, as root, without a daemon.

mod fixture;
mod lifecycle;
