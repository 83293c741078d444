//! This package has tests only; they are in the file `whole_node.rs` beside this one.

#[cfg(test)]
mod whole_node;
