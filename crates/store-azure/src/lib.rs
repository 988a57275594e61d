//! A disk in an Azure page blob.
