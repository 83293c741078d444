//! This package has benches only; they stand beside this file.
