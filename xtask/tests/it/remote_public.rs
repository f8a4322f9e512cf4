//! The site as its users reach it: by its public name, over TLS, from the machine that deploys. What is wrong there is told, and
//! undoes nothing.

use serde_json::Value;

use crate::support::server::{Compose, Server};
use crate::support::shared_server::on_a_server;
use crate::support::site::Site;
use crate::support::team::Team;

const SITE: &str = "/etc/nginx/sites-enabled/gifty";

/// The site on a name that this machine knows and on the port by which this machine reaches the server, with a certificate of
/// an authority that the test makes. Gives the authority's certificate.
fn with_certificate(server: &Server, days: u32) -> String {
    let port = server.https_port();
    server.root(&format!(
        "cd /etc/nginx\n\
         key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'\n\
         openssl req -x509 $key -days 90 -subj '/CN=authority of a test' -keyout authority.key -out authority.crt 2>/dev/null\n\
         openssl req $key -subj /CN=localhost -keyout tls.key -out tls.csr 2>/dev/null\n\
         openssl x509 -req -in tls.csr -CA authority.crt -CAkey authority.key -CAcreateserial -days {days} \
           -extfile <(echo subjectAltName=DNS:localhost) -out tls.crt 2>/dev/null\n\
         [ -e /opt/site ] || cp -a {SITE} /opt/site\n\
         sed 's/listen 80;/listen 443 ssl; listen {port} ssl; ssl_certificate tls.crt; ssl_certificate_key tls.key;/; \
           s/server_name .*/server_name localhost;/' /opt/site >{SITE}\n\
         nginx -t 2>/dev/null\nnginx -s reload\nsleep 0.5\ncat authority.crt"
    ))
}

fn public(site: &Site) -> Value {
    site.xtask(&["status", "--json"]).must_end_with(0).json()["public"].clone()
}

#[test]
fn the_site_is_asked_as_its_users_reach_it() {
    on_a_server(Compose::V2, |server, site| {
        let right = site.variables.clone();
        let authority = site.root().join(".deploy/authority.crt");
        std::fs::write(&authority, with_certificate(server, 80)).unwrap();
        site.set("SSL_CERT_FILE", &authority.display().to_string());
        let url = format!("https://localhost:{}", server.https_port());
        site.configure("http://api.example", &url);

        site.new_version("that its users reach");
        let report = site.deploy();
        assert_eq!(report["public"]["problem"], Value::Null, "{report:#}");
        assert_eq!(report["public"]["url"], format!("{url}/health"));
        let days = public(site)["certificate_days"].as_i64().unwrap();
        assert!((78..=80).contains(&days), "{days} days");
        let shown = site.xtask(&["status"]).must_end_with(0).stdout;
        assert!(shown.contains("answers as it should; its certificate is valid for"), "{shown}");

        // A certificate that is about to end, and one that this machine does not trust.
        std::fs::write(&authority, with_certificate(server, 5)).unwrap();
        site.xtask(&["status"]).must_end_with(0).must_say(&["valid for 4 more days", "renew the certificate"]);
        site.set("SSL_CERT_FILE", "/dev/null");
        site.new_version("that nobody trusts");
        let run = site.xtask(&["deploy", "--skip-tests", "--json"]).must_end_with(0);
        let report = run.json();
        run.must_say(&["warning", "as users reach it", "nothing was undone", "public = false"]);
        assert_eq!((&report["outcome"]["result"], &report["serves"]), (&"succeeded".into(), &report["release"]));
        assert!(report["public"]["problem"].as_str().unwrap().contains("does not answer"), "{report:#}");

        // Where that says nothing, it is not asked.
        site.configure(&url, &format!("{url}\"\npublic = false #"));
        assert_eq!(public(site), Value::Null);
        site.configure(&format!("{url}\"\npublic = false #"), "http://api.example");
        server.root(&format!("mv /opt/site {SITE}\nnginx -s reload"));
        site.variables = right;
    });
}
