//! `/usb`: the stick as the host sees it.

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Answer, At, Input, carry,
    documented::{Carried, SignedIn, WithBody},
    names::LunPath,
};
use crate::{
    api::{Applied, Eject, IdentityChange, LunSettings, SetupStick, Usb},
    app::App,
};

pub(super) fn closed() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(usb))
        .routes(routes!(set_identity))
        .routes(routes!(set_luns))
        .routes(routes!(show_setup_stick))
        .routes(routes!(insert))
        .routes(routes!(eject))
}

/// The stick and its units.
#[utoipa::path(get, path = "/usb", tag = "usb", responses((status = 200, body = Usb), SignedIn))]
async fn usb(State(app): State<App>) -> Json<Usb> {
    Json(app.live().usb.clone())
}

/// Changes how the stick introduces itself. The host sees it pulled and plugged in again.
#[utoipa::path(patch, path = "/usb/identity", tag = "usb", request_body = IdentityChange, responses(
    (status = 200, body = Applied),
    SignedIn, WithBody, Carried,
))]
async fn set_identity(State(app): State<App>, Input(change): Input<IdentityChange>) -> Answer<Json<Applied>> {
    carry::change(&app, |app| async move { app.appliance.set_identity(change).await })
        .await
        .map(Json)
}

/// Says what is in which unit, all of them in their order.
#[utoipa::path(put, path = "/usb/luns", tag = "usb", request_body = Vec<LunSettings>, responses(
    (status = 200, body = Applied),
    SignedIn, WithBody, Carried,
))]
async fn set_luns(State(app): State<App>, Input(luns): Input<Vec<LunSettings>>) -> Answer<Json<Applied>> {
    carry::change(&app, |app| async move { app.appliance.set_luns(luns).await })
        .await
        .map(Json)
}

/// Shows the host a small stick with the device's address, on which files for its set-up can be dropped, instead of the disks;
/// or the disks again. It goes by itself when the host ejects it and has left nothing new.
#[utoipa::path(put, path = "/usb/setup-stick", tag = "usb", request_body = SetupStick, responses(
    (status = 204, description = "The host sees it soon."),
    SignedIn, WithBody, Carried,
))]
async fn show_setup_stick(State(app): State<App>, Input(stick): Input<SetupStick>) -> Answer<StatusCode> {
    carry::change(
        &app,
        |app| async move { app.appliance.show_setup_stick(stick.shown).await },
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts the disk of a unit back in.
#[utoipa::path(post, path = "/usb/luns/{lun}/insert", tag = "usb", params(LunPath), responses(
    (status = 204, description = "It is in."),
    SignedIn, Carried,
))]
async fn insert(State(app): State<App>, At(path): At<LunPath>) -> Answer<StatusCode> {
    carry::change(&app, |app| async move { app.appliance.insert(path.lun).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes the medium out of a unit once everything is written.
#[utoipa::path(post, path = "/usb/luns/{lun}/eject", tag = "usb", params(LunPath), request_body = Eject, responses(
    (status = 204, description = "It is out."),
    SignedIn, WithBody, Carried,
))]
async fn eject(State(app): State<App>, At(path): At<LunPath>, Input(eject): Input<Eject>) -> Answer<StatusCode> {
    carry::change(
        &app,
        |app| async move { app.appliance.eject(path.lun, eject.force).await },
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
