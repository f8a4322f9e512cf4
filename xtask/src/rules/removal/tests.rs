//! What a server prints, and what is planned for it.

use super::*;
use crate::testing::fixtures::config;

/// A server to which `setup` and two deploys were made, as its script prints it.
fn served(mode: SwitchMode) -> String {
    let config = config();
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n");
    let (link, upstream) = match mode {
        SwitchMode::Instant => ("", "if (-f /srv/shop/live/green) { set $slot green; }\nreturn 200 \"shop $slot\\n\";"),
        SwitchMode::Reload => ("/srv/shop/live/upstream.conf", "return 200 \"shop blue\\n\";"),
    };
    let upstream = escaped(&format!("server {{\n    listen 127.0.0.1:8002;\n{upstream}\n}}\n"));
    let include = match mode {
        SwitchMode::Instant => {
            "file\tinclude\t\tif (-f /srv/shop/live/green) { }\\naccess_log /var/log/nginx/shop.deploy-requests x;\n"
        }
        SwitchMode::Reload => "",
    };
    let site = escaped(&server_setup::site(&config, mode));
    let sudo = escaped(
        "Defaults!/usr/sbin/nginx !requiretty\ndeploy ALL=(root) NOPASSWD: /usr/sbin/nginx -t, /usr/sbin/nginx -s reload\n",
    );
    let limits = escaped(DOCKER_LOG_LIMITS);
    format!(
        "folder\t/srv/shop\nfile\tupstream\t{link}\t{upstream}\n{include}file\tsite\t\t{site}\nfile\tsudo\t\t{sudo}\nfile\tlimits\t\t{limits}\n\
         user\t{USER_MARK}\t/home/deploy\nkey\nhas\tfolder\nrelease\t20260131-174501-1a2b3c4\nrelease\t20260131-174502-1a2b3c4\n\
         has\tdocker-program\nhas\tdocker\ncontainer\tweb\trunning\ncontainer\tdb\trunning\ncontainer\tweb\texited\nvolume\tshop_data\nend\n"
    )
}

fn planned(survey: &str) -> anyhow::Result<Plan> {
    plan(&config(), &Survey::parse(survey).unwrap(), "deploy", "20260201-080000")
}

fn refused(survey: &str) -> String {
    format!("{:#}", planned(survey).unwrap_err())
}

#[test]
fn a_plan_reads_like_this() {
    let plan = planned(&served(SwitchMode::Instant)).unwrap();
    insta::assert_snapshot!("removal", plan.describe("root@203.0.113.7", "deploy"));
    assert_eq!(plan.live_port, Some(8002));
    let reload = planned(&served(SwitchMode::Reload)).unwrap();
    assert_eq!(reload.nginx_files, [config().environment.nginx.upstream_file]);
    assert_eq!(reload.site.unwrap().copy, None);
}

#[test]
fn of_a_site_with_lines_of_others_a_copy_is_kept() {
    let certbot = served(SwitchMode::Instant)
        .replace("server_name shop.example;", "server_name shop.example;\\n    ssl_certificate /etc/letsencrypt/live/shop.example/fullchain.pem; # managed by Certbot");
    let plan = planned(&certbot).unwrap();
    assert_eq!(plan.site.unwrap().copy.unwrap(), "/var/backups/nginx-site-shop-20260201-080000.conf");
    assert!(plan.stays.iter().any(|line| line.contains("certbot delete --cert-name shop.example")), "{:?}", plan.stays);
}

#[test]
fn a_site_that_a_person_wrote_is_not_removed_and_named_where_it_needs_what_goes() {
    let written = "server {\\n    location / { proxy_pass http://$shop_backend; }\\n}";
    let site = |text: &str| {
        let lines: Vec<String> = served(SwitchMode::Instant)
            .lines()
            .map(|line| if line.starts_with("file\tsite") { format!("file\tsite\t\t{text}") } else { line.to_owned() })
            .collect();
        lines.join("\n")
    };
    let said = refused(&site(written));
    assert!(said.contains("proxy_pass http://$shop_backend;") && said.contains("not as `setup` writes it"), "{said}");
    let plan = planned(&site("server {\\n    return 503;\\n}")).unwrap();
    assert_eq!(plan.site, None);
    assert!(!plan.nginx_files.is_empty());
}

#[test]
fn a_file_that_has_a_site_of_a_person_s_own_too_is_not_removed() {
    let second = "server_name shop.example;\\n}\\nserver {\\n    server_name blog.example;\\n";
    let on_one_line = "server_name shop.example;\\n}\\nserver { listen 80; return 200; }\\nserver {\\n";
    for added in [second, on_one_line] {
        let said = refused(&served(SwitchMode::Instant).replacen("server_name shop.example;", added, 1));
        assert!(said.contains("not as `setup` writes it"), "{said}");
    }
}

#[test]
fn a_folder_that_is_reached_through_a_link_is_the_same_folder() {
    let moved = served(SwitchMode::Reload).replace("folder\t/srv/shop", "folder\t/mnt/disk/shop");
    assert!(!planned(&moved).unwrap().nginx_files.is_empty());
    // The folder was deleted by hand, and nginx's link leads nowhere.
    let gone = "folder\t/srv/shop\nfile\tupstream\t/srv/shop/live/upstream.conf\t\tgone\nend\n";
    assert_eq!(planned(gone).unwrap().nginx_files, [config().environment.nginx.upstream_file]);
}

#[test]
fn what_is_of_another_folder_or_name_is_refused() {
    let other = refused(&served(SwitchMode::Instant).replace("/srv/shop/live", "/srv/other/live"));
    assert!(other.contains("is not of the environment shop in /srv/shop"), "{other}");
    let named = refused(&served(SwitchMode::Reload).replace("\"shop blue", "\"shop-staging blue"));
    assert!(named.contains("is not of the environment shop"), "{named}");
}

#[test]
fn a_deploy_at_work_a_missing_user_and_a_silent_docker_are_all_named() {
    let survey = served(SwitchMode::Instant).replace("user\t", "nobody\t").replace("has\tdocker\n", "has\tlock\n");
    let said = refused(&survey);
    for part in ["a deploy is at work", "no user deploy", "docker does not answer deploy"] {
        assert!(said.contains(part), "{part}\n{said}");
    }
}

#[test]
fn what_others_need_stays() {
    let shared = planned(&served(SwitchMode::Instant).replace("has\tdocker\n", "other\tblog\nhas\tdocker\n")).unwrap();
    assert_eq!(shared.files, ["/etc/sudoers.d/shop-deploy"]);
    assert!(shared.takes_key && !shared.removes_user);
    let beside = planned(&served(SwitchMode::Instant).replace("has\tdocker\n", "foreign\nhas\tdocker\n")).unwrap();
    assert!(!beside.files.contains(&"/etc/docker/daemon.json".to_owned()) && beside.removes_user, "{beside:?}");
    for (change, part) in [
        (format!("user\t{USER_MARK}"), "was not made by `setup`"),
        ("key\n".to_owned(), "has files of its own: notes.txt"),
        ("has\tfolder".to_owned(), "programs run as it: tmux"),
    ] {
        let now = match part {
            part if part.contains("notes") => "key\nin-home\tnotes.txt\n",
            part if part.contains("tmux") => "runs-as\ttmux\nhas\tfolder",
            _ => "user\tAnna",
        };
        let plan = planned(&served(SwitchMode::Instant).replace(&change, now)).unwrap();
        assert!(!plan.removes_user && plan.takes_key, "{part}");
        assert!(plan.stays.iter().any(|line| line.contains(part)), "{part}: {:?}", plan.stays);
    }
}

#[test]
fn sudo_and_docker_keep_what_another_hand_has_written() {
    let survey = served(SwitchMode::Instant).replace("NOPASSWD: ", "NOPASSWD: ALL, ").replace("10m", "20m");
    assert_eq!(planned(&survey).unwrap().files, Vec::<String>::new());
}

#[test]
fn a_server_without_any_of_it_has_nothing_to_lose() {
    assert!(planned("folder\t/srv/shop\nend\n").unwrap().is_empty());
    assert_eq!(Survey::parse("folder\t/srv/shop\n"), None);
}
