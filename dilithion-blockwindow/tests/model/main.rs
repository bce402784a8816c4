//! Requirement 000-063: random operations on the window, beside a model.

mod adaptive;
mod ops;
mod plain;
