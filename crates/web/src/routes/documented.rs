//! The answers that many operations have in common, for the OpenAPI document.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses,
    openapi::{Content, Ref, RefOr, Response, ResponseBuilder},
};

type Responses = BTreeMap<String, RefOr<Response>>;

fn problems(list: &[(u16, &str)]) -> Responses {
    let problem = |text: &str| {
        ResponseBuilder::new()
            .description(text)
            .content(
                "application/problem+json",
                Content::new(Some(Ref::from_schema_name("Problem"))),
            )
            .build()
    };
    list.iter()
        .map(|(status, text)| (status.to_string(), RefOr::T(problem(text))))
        .collect()
}

/// Refusals that anybody may meet.
pub(crate) struct Anybody;

impl IntoResponses for Anybody {
    fn responses() -> Responses {
        let mut all = problems(&[
            (
                400,
                "The request cannot be understood, or a confirmation does not match.",
            ),
            (
                403,
                "The request comes from a foreign page or to a foreign name, lacks its CSRF token, or needs a right or an owner that is not there.",
            ),
            (
                429,
                "Too many attempts or requests; `Retry-After` says when to come again.",
            ),
            (500, "A fault of the device."),
            (503, "Too many connections; `Retry-After` says when to come again."),
        ]);
        let redirect = ResponseBuilder::new().description("The device has an owner, and wants TLS: `Location` has it.");
        all.insert("308".to_owned(), RefOr::T(redirect.build()));
        all
    }
}

/// Refusals of what needs a session or token.
pub(crate) struct SignedIn;

impl IntoResponses for SignedIn {
    fn responses() -> Responses {
        let mut all = Anybody::responses();
        all.extend(problems(&[(
            401,
            "Nobody is signed in, the session is over, or a password is wrong.",
        )]));
        all
    }
}

/// Refusals of requests with a body.
pub(crate) struct WithBody;

impl IntoResponses for WithBody {
    fn responses() -> Responses {
        problems(&[
            (408, "The body did not arrive in time."),
            (413, "The body is longer than allowed."),
            (415, "The body is not `application/json`."),
        ])
    }
}

/// Refusals of requests whose body is a file.
pub(crate) struct WithFile;

impl IntoResponses for WithFile {
    fn responses() -> Responses {
        problems(&[
            (413, "The file is longer than allowed."),
            (415, "The body is not `application/octet-stream`."),
        ])
    }
}

/// What the device may have to say to an operation.
pub(crate) struct Carried;

impl IntoResponses for Carried {
    fn responses() -> Responses {
        problems(&[
            (404, "There is no such thing."),
            (
                409,
                "It exists already, is in use, changed meanwhile, or could not be applied.",
            ),
            (422, "The device or the store cannot do that, or the store refuses it."),
            (502, "The store does not answer."),
            (504, "It took too long; a change goes on and shows in the state."),
            (507, "The store, the card or the quota is full."),
        ])
    }
}
