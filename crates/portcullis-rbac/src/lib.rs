//! rbac

mod authorizer;
mod batch;
mod bits;
mod builder;
mod decision;
mod docket;
mod error;
mod future;
mod gate;
mod index;
mod judge;
mod layer;
mod name;
mod pattern;
mod policy;
mod query;
mod role;
mod rule;
mod service;
mod settle;
mod uri;
mod view;
mod who;
#[cfg(feature = "yaml")]
mod yaml;

pub use authorizer::{Answer, Authorizer, Never};
pub use builder::PolicyBuilder;
pub use decision::{Decision, DenialStyle};
pub use error::ConfigError;
pub use future::ResponseFuture;
pub use layer::RbacLayer;
pub use policy::Policy;
pub use query::Query;
pub use role::Role;
pub use rule::Rule;
pub use service::Rbac;
