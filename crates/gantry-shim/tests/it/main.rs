//! Containers through the real binary, as root, without a daemon.

mod control;
mod exec;
mod fixture;
mod lifecycle;
mod sandbox;
mod streams;
