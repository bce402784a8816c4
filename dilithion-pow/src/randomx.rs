//! RandomX.

mod pages;

pub use pages::Pages;
