# SPDX-License-Identifier: Apache-2.0
"""oa_hub_pull() over TLS with certificates that the test makes, and through proxies."""
import atexit
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

from place import DATA, FILE, Place, bad, good
from harness import Skip, check, main
from hub_server import Hub, Step
from proxy import Proxy

CA_VARIABLES = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
SECRET = {"HF_TOKEN": "hf_secret"}
made = {}


def certificates():
    """Paths of certificate files, made once: authorities "ca" and "stranger", servers."""
    if made:
        return made
    if not shutil.which("openssl"):
        raise Skip("no openssl command")
    folder = tempfile.mkdtemp(prefix="oa-tls-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)

    def openssl(*args):
        r = subprocess.run(["openssl", *args], cwd=folder, capture_output=True, text=True)
        check(r.returncode == 0, args, r.stderr)

    ec = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    for name in ("ca", "stranger"):
        openssl("req", "-x509", *ec, "-keyout", name + ".key", "-out", name + ".crt",
                "-subj", "/CN=" + name, "-days", "2")
    here = "IP:127.0.0.1,DNS:localhost"
    for name, ca, days, names in (
            ("good", "ca", 2, here), ("expired", "ca", -1, here), ("strange", "stranger", 2, here),
            ("elsewhere", "ca", 2, "DNS:hub.example"), ("other", "ca", 2, "DNS:cdn.example")):
        with open(os.path.join(folder, "ext"), "w") as f:
            f.write(f"subjectAltName={names}\n")
        openssl("req", *ec, "-keyout", name + ".key", "-out", name + ".csr", "-subj", "/CN=" + name)
        openssl("x509", "-req", "-in", name + ".csr", "-CA", ca + ".crt", "-CAkey", ca + ".key",
                "-CAcreateserial", "-out", name + ".crt", "-days", str(days), "-extfile", "ext")
        with open(os.path.join(folder, name + ".crt"), "a") as f:
            f.write(open(os.path.join(folder, name + ".key")).read())
    os.mkdir(os.path.join(folder, "folder"))
    shutil.copy(os.path.join(folder, "ca.crt"), os.path.join(folder, "folder"))
    openssl("rehash", "folder")
    made.update({n: os.path.join(folder, n + ".crt") for n in (
        "ca", "stranger", "good", "expired", "strange", "elsewhere", "other")})
    made["folder"] = os.path.join(folder, "folder")
    return made


class Safe(Place):
    """A hub with TLS that is trusted."""

    def __init__(self, server="good", files=None):
        super().__init__(files, tls=certificates()[server])

    def env(self, **more):
        return super().env(**{"SSL_CERT_FILE": certificates()["ca"], **more})


# --- certificates --------------------------------------------------------------------------------


def test_a_good_certificate():
    with Safe() as p:
        good(p, p.pull(env=SECRET))
        check(all(q.headers["authorization"] == "Bearer hf_secret" for q in p.hub.requests))
        check(p.hub.url.startswith("https://") and len(p.hub.requests) == 4, len(p.hub.requests))


def test_who_is_trusted_can_be_said():
    ca = certificates()
    with Safe() as p:
        def one(**env):
            shutil.rmtree(p.models, ignore_errors=True)
            return p.pull(env={"SSL_CERT_FILE": "", **env})

        for name in CA_VARIABLES:
            good(p, one(**{name: ca["ca"]}))
        good(p, one(SSL_CERT_DIR=ca["folder"]))
        good(p, one(REQUESTS_CA_BUNDLE=ca["folder"]))  # a folder, as requests allows
        # The first of them counts, and alone: the others are not trusted besides.
        good(p, one(CURL_CA_BUNDLE=ca["ca"], SSL_CERT_FILE=ca["stranger"]))
        bad(p, one(CURL_CA_BUNDLE=ca["stranger"], SSL_CERT_FILE=ca["ca"]), "OA_EIO", "certificate")
        bad(p, one(SSL_CERT_FILE=os.path.join(p.home, "nothing")), "OA_EIO", "certificate",
            "nothing")


def refused(p, *words, **env):
    """At once, without a second try, and before anything was sent."""
    r = p.pull(env={**SECRET, **env})
    bad(p, r, "OA_EIO", "https://", *words)
    check("tried" not in r["error"], r["error"])
    check(p.hub.requests == [] and not os.path.exists(p.models), "it was asked")


def test_an_authority_that_nobody_knows():
    with Safe("strange") as p:
        refused(p, "certificate", "issuer", "SSL_CERT_FILE")
    with Safe() as p:
        refused(p, "certificate", "issuer", SSL_CERT_FILE="")


def test_a_certificate_for_another_name():
    with Safe("elsewhere") as p:
        refused(p, "name", "127.0.0.1")


def test_a_certificate_that_has_expired():
    with Safe("expired") as p:
        refused(p, "certificate", "expired")


def test_no_tls_where_tls_was_meant():
    with Place() as p:
        r = p.pull("tries=2", env={**SECRET, "HF_ENDPOINT": p.hub.url.replace("http", "https")})
        bad(p, r, "OA_EIO")
    with Safe() as p:
        r = p.pull("tries=2", env={"HF_ENDPOINT": p.hub.url.replace("https", "http")})
        check(r["rc"] == "OA_EIO" and p.hub.requests == [], r)


def test_cut_in_the_middle_of_tls():
    with Safe() as p:
        cuts = [1, 5000, 16384, 40000]
        p.hub.plan(FILE, *(Step(cut=n) for n in cuts))
        good(p, p.pull())
        starts = [q.start for q in p.hub.asked(FILE)]
        check(starts == [sum(cuts[:i]) for i in range(5)], starts)


# --- redirects and the token ---------------------------------------------------------------------


def test_redirects_over_tls():
    """As the hub does it: the file comes from another host, which gets no token."""
    ca = certificates()
    with Safe() as p, Hub(ca["good"]) as cdn, Hub() as open_cdn:
        for other in (cdn, open_cdn):
            other.repo("c/dn", {"bytes": DATA})
        where = f"https://localhost:{cdn.port}/c/dn/resolve/x/bytes?Signature=abc"
        p.hub.plan(FILE, Step(redirect=where), Step(redirect=where))
        cdn.plan("bytes", Step(cut=1000))
        good(p, p.pull(env=SECRET))
        check([q.start for q in cdn.asked("bytes")] == [0, 1000])
        check(not [q for q in cdn.requests if "authorization" in q.headers], "the token leaked")
        # Another port of the same name is another host.
        os.remove(p.path())
        p.hub.plan(FILE, Step(redirect=f"https://127.0.0.1:{cdn.port}/c/dn/resolve/x/bytes"))
        good(p, p.pull(env=SECRET))
        check(not [q for q in cdn.requests if "authorization" in q.headers], "the token leaked")
        # From TLS to none: never, with a token or without.
        os.remove(p.path())
        for env in (SECRET, {}):
            p.hub.plan(FILE, Step(redirect=f"{open_cdn.url}/c/dn/resolve/x/bytes"))
            bad(p, p.pull(env=env), "OA_EACCES", "from https to http")
        check(open_cdn.requests == [], "it went there")
        # To a host whose certificate is not good.
        with Hub(ca["expired"]) as late:
            p.hub.plan(FILE, Step(redirect=late.url + "/x"))
            bad(p, p.pull(env=SECRET), "OA_EIO", "expired")
            check(late.requests == [])


def test_the_token_goes_nowhere_without_tls():
    with Place() as p, Proxy({"hub.example:80": p.hub.port}) as proxy:
        r = p.pull(env={**SECRET, "HF_ENDPOINT": "http://hub.example", "NO_PROXY": "",
                        "http_proxy": proxy.url})
        good(p, r)
        check(any("without https the token is not sent" in x for x in r["log"]), r["log"])
        check(len(p.hub.requests) == 4 and not [q for q in p.hub.requests
                                                if "authorization" in q.headers], "it was sent")
        check(not [a for a in proxy.asked if "authorization" in a[2]])
        # What looks like this machine and is not.
        for host in ("127.0.0.1.example", "localhost.example", "127.example", "xlocalhost"):
            proxy.table[host + ":80"] = p.hub.port
            shutil.rmtree(p.models)
            good(p, p.pull(env={**SECRET, "HF_ENDPOINT": f"http://{host}", "NO_PROXY": "",
                                "http_proxy": proxy.url}))
        check(not [q for q in p.hub.requests if "authorization" in q.headers], "it was sent")
        # To this machine it goes, but not through a proxy.
        shutil.rmtree(p.models)
        n = len(proxy.asked)
        good(p, p.pull(env={**SECRET, "NO_PROXY": "", "http_proxy": proxy.url}))
        check(p.hub.requests[-1].headers["authorization"] == "Bearer hf_secret")
        check(len(proxy.asked) == n)


# --- proxies -------------------------------------------------------------------------------------


def test_proxies_for_tls():
    with Safe("elsewhere") as p, Proxy({"hub.example:443": p.hub.port}) as proxy:
        base = {**SECRET, "HF_ENDPOINT": "https://hub.example", "NO_PROXY": ""}
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            shutil.rmtree(p.models, ignore_errors=True)
            good(p, p.pull(env={**base, name: proxy.url}))
            check(proxy.asked and all(a[:2] == ("CONNECT", "hub.example:443") for a in proxy.asked))
            check(not [a for a in proxy.asked if "authorization" in a[2]], "the token leaked")
            check(p.hub.requests[-1].headers["authorization"] == "Bearer hf_secret")
            proxy.asked.clear()
        # Not for https.
        r = p.pull("tries=1", env={**base, "HTTP_PROXY": proxy.url, "http_proxy": proxy.url})
        check(r["rc"] == "OA_EIO" and "hub.example" in r["error"] and not proxy.asked, r["error"])


def test_proxies_without_tls():
    with Place() as p, Proxy({"hub.example:80": p.hub.port}) as proxy:
        base = {"HF_ENDPOINT": "http://hub.example", "NO_PROXY": ""}
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            shutil.rmtree(p.models, ignore_errors=True)
            good(p, p.pull(env={**base, name: proxy.url}))
            check(proxy.asked and all(a[:2] == ("GET", "hub.example:80") for a in proxy.asked))
            proxy.asked.clear()
        # In a CGI program HTTP_PROXY is a stranger's word.
        r = p.pull("tries=1", env={**base, "HTTP_PROXY": proxy.url, "REQUEST_METHOD": "GET"})
        check(r["rc"] == "OA_EIO" and not proxy.asked, r)


def test_hosts_without_a_proxy():
    with Safe() as p, Proxy({}) as proxy:
        for value in ("*", "127.0.0.1", "example.org,127.0.0.1"):
            for name in ("NO_PROXY", "no_proxy"):
                shutil.rmtree(p.models, ignore_errors=True)
                good(p, p.pull(env={"NO_PROXY": "", "HTTPS_PROXY": proxy.url, name: value}))
        check(proxy.asked == [], proxy.asked)
    with Place() as p, Proxy({}) as proxy:
        good(p, p.pull(env={"NO_PROXY": "127.0.0.1", "HTTP_PROXY": proxy.url}))
        check(proxy.asked == [], proxy.asked)


def test_a_proxy_that_refuses():
    with Safe("elsewhere") as p, Place() as plain:
        for status, word in ((403, "proxy refuses with status 403"), (407, "user name"),
                             (502, "proxy refuses with status 502")):
            with Proxy({"hub.example:443": p.hub.port}, status=status) as proxy:
                env = {**SECRET, "HF_ENDPOINT": "https://hub.example", "NO_PROXY": "",
                       "HTTPS_PROXY": proxy.url}
                r = p.pull("tries=2", env=env)
                bad(p, r, "OA_EIO", word, "https://hub.example")
                check(len(proxy.asked) == (2 if status == 502 else 1), len(proxy.asked))
                env = {"HF_ENDPOINT": "http://hub.example", "NO_PROXY": "", "HTTP_PROXY": proxy.url}
                r = plain.pull("tries=2", env=env)
                # Without TLS, 403 may be the hub's own word.
                code, word = {403: ("OA_EACCES", "no access"), 407: ("OA_EIO", "user name"),
                              502: ("OA_EIO", "status 502")}[status]
                bad(plain, r, code, word)
        r = p.pull("tries=1", env={"NO_PROXY": "", "HTTPS_PROXY": "http://127.0.0.1:1"})
        bad(p, r, "OA_EIO", "127.0.0.1")
        check(p.hub.requests == [])


def test_a_proxy_that_wants_a_password():
    with Safe("elsewhere") as p, Proxy({"hub.example:443": p.hub.port}, user="me:pass") as proxy:
        env = {"HF_ENDPOINT": "https://hub.example", "NO_PROXY": ""}
        r = p.pull(env={**env, "HTTPS_PROXY": proxy.url.replace("//", "//me:wrong@")})
        bad(p, r, "OA_EIO", "user name and a password")
        check("wrong" not in r["error"], r["error"])
        good(p, p.pull(env={**env, "HTTPS_PROXY": proxy.url.replace("//", "//me:pass@")}))
        check(hashlib.sha256(p.read()).hexdigest() == hashlib.sha256(DATA).hexdigest())


if __name__ == "__main__":
    main(sys.modules[__name__])
