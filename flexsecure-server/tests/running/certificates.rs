use rcgen::{CertificateParams, DnType, KeyPair};

use crate::harness::Place;

/// Writes a certificate for localhost and its key, and gives the certificate in PEM.
pub(crate) fn issue(place: &Place, name: &str) -> String {
    issue_until(place, name, 2500)
}

pub(crate) fn issue_until(place: &Place, name: &str, year: i32) -> String {
    let key = KeyPair::generate().unwrap();
    let mut params =
        CertificateParams::new(["localhost".to_owned(), "auth.example.com".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let certificate = params.self_signed(&key).unwrap().pem();
    place.write("certificate.pem", &certificate);
    place.write("key.pem", &key.serialize_pem());
    certificate
}

pub(crate) const FILES: [&str; 4] =
    ["--tls-certificate", "certificate.pem", "--tls-key", "key.pem"];
