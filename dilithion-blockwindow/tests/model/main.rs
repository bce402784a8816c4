//! Requirement 000-063: random operations on the window, beside a model.

#[cfg(test)]
mod adaptive;
#[cfg(test)]
mod ops;
#[cfg(test)]
mod plain;
