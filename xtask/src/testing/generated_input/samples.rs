//! What generated input is made of.

/// What breaks readers: quotes, line ends, shell, options, YAML, XML, JSON, TOML, letters beyond ASCII, numbers, length.
pub const NASTY: [&str; 68] = [
    "'",
    "\"",
    "\\",
    "`",
    "$",
    "$(",
    "$(touch pwned)",
    "${",
    "}",
    ";",
    "&",
    "|",
    "<",
    ">",
    "(",
    ")",
    "\n",
    "\r",
    "\r\n",
    "\t",
    " ",
    "-",
    "--",
    "-o",
    "#",
    " #",
    "=",
    "==",
    ":",
    ": ",
    ",",
    ".",
    "..",
    "/",
    "~",
    "!",
    "!!str ",
    "*",
    "&a ",
    "%",
    "@",
    "[",
    "]",
    "{",
    "\0",
    "\u{1}",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "\u{2028}",
    "\u{feff}",
    "\u{fffd}",
    "\u{202e}",
    "é",
    "ſ",
    "😀",
    "null",
    "true",
    "1e3",
    "0x10",
    "-1",
    "18446744073709551616",
    "<<",
    "]]>",
    "<!--",
    "&#x0;",
    "::error::x",
];

pub const REPORT: &str = "folder\t/srv/shop\nports\t8000 8001 8002\nlive\tshop green\nupstream\tupstream shop_backend {\r server 127.0.0.1:8001;\r}\n\
    site\tproxy_pass http://shop_backend;\nflag\tgreen\nnginx\trunning\nnginx-problem\tno\ncompose\tdocker compose\ndocker\trunning\n\
    container\tabc\t/shop-green\trunning\thealthy\t0\t2026-01-31T17:45:02Z\t[\"shop\",\"/srv/shop\",\"green\",\"20260131-174502-1a2b3c4\",\"\",\"shop-green\",\"api-green\",\"False\",\"/srv/shop/meta/20260131-174502-1a2b3c4\"]\t{\"8000/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"8001\"}]}\t[{\"Type\":\"bind\",\"Source\":\"/srv/shop/releases/20260131-174502-1a2b3c4/x\",\"Destination\":\"/x\"}]\t0 unless-stopped\n\
    image\t210000000\t[\"shop-api:20260131-174502-1a2b3c4\"]\nmemory\tabc\t1000\nrelease\t20260131-174502-1a2b3c4\tsum\tsum\t100\tshop-api\tapi\\tshop/api:1\\tsha256:1\\t\\n\t{}\tA=b\\n\tkey 3\\nabc\nlistening\t8001\n\
    disk-free\t1000\t/\ndocker-disk-free\t1000\t/\nmemory-free\t1000\nuser\tdeploy\nunwritable\t/srv\nlast-record\t{\"x\":1}\nend\n";

pub const JUNIT: &str = "<?xml version=\"1.0\"?><testsuites><testsuite name=\"pytest\" time=\"1.250\"><testcase classname=\"tests.a.test_a.TestX\" \
    name=\"test_p[a&lt;b &#233;&#10;]\" file=\"tests/a/test_a.py\"><failure message=\"x\">v</failure></testcase><testcase classname=\"t\" name=\"ok\" />\
    <testcase classname=\"\" name=\"tests.b\" file=\"tests/b&#27;.py\"><error message=\"e\"><![CDATA[</testcase>]]></error></testcase></testsuite></testsuites>";

pub const SITE: &str =
    "server {\n  listen 80; # proxy_pass http://x;\n  location / { proxy_pass http://shop_backend/; }\n}\n";
