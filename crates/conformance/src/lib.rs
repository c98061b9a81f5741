//! The same cases against ours or another engine, through Docker's command lines or ours.
//!
//! A case file (`cases/*.txt`, format in [`script`]) is a list of steps: a command, what it must print, its exit
//! code. [`run`] plays it on one pair of engine and command line. Expectations are what Docker's real engine and
//! command line print: a new step is proved on them first (`UNDER_TEST=docker`).

pub mod expect;
pub mod run;
pub mod script;
pub mod stage;

pub use run::{Options, Report, play};
pub use script::{Script, Step};
