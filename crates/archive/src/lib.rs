//! Tar streams of layers, images and `cp`: a reader and an applier that stand hostile input, and a writer.
//!
//! [`Decoder`] takes the compression off, [`Reader`] gives entries within [`Limits`], [`Applier`] writes them below a
//! root (layers in overlayfs' form), [`Writer`] makes archives, [`Packer`] makes them of trees.

mod apply;
mod decode;
mod entry;
mod error;
mod header;
mod name;
mod pack;
mod pax;
mod reader;
mod sparse;
mod tree;
mod write;

pub use apply::{Applied, Applier, ApplyOptions, LayerStack, Whiteouts};
pub use decode::{Compression, Decoder, Peeked};
pub use entry::{Entry, Kind, Time};
pub use error::{Error, Result};
pub use pack::Packer;
pub use reader::{Data, Limits, Reader};
pub use sparse::Segment;
pub use tree::{open_dir, remove_tree};
pub use write::Writer;
