//! The store of factorgate on SQL databases, through sqlx.
