//! The values by which a web hook is described; public in [`arrival::webhook`](crate::arrival::webhook).

mod caller_data;
mod end_point_id;
mod notification_type;

pub use self::caller_data::CallerData;
pub use self::end_point_id::{EndPointId, InvalidEndPointId};
pub use self::notification_type::{InvalidNotificationType, NotificationType};
