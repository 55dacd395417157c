//! prm
