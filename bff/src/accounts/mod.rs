//! The accounts store: functions over any connection, one file per aggregate.

pub mod audit;
pub mod credentials;
<<<<<<< HEAD
pub mod money;
=======
>>>>>>> main
pub mod users;
