import { describe, expect, test } from "bun:test";
import { DOCKERFILES } from "./dockerfile.ts";
import { diagnose, lastLines } from "./diagnose.ts";

describe("diagnose", () => {
  const rows: Record<string, [string, string]> = {
    "disk full": ["write /var/tmp/x: no space left on device", "the disk is full"],
    "headers missing": [
      "E: x\nonloadctl: no headers for kernel 6.1.0-1-amd64 in the builder image\nmake: *** no rule",
      "headers for kernel 6.1.0-1-amd64",
    ],
    "headers missing, with a prefix": [
      "#9 0.4 onloadctl: no headers for kernel 5.14.0 in the builder image",
      "headers for kernel 5.14.0",
    ],
    "module base without modprobe": [
      "onloadctl: the module base image lacks modprobe and has no way to install it",
      "the module base image lacks modprobe",
    ],
    "disk read-only": [
      "Error: checking platform of image x: inspecting image: open /mnt/tmp/661529302: read-only file system",
      "cannot write where it keeps images",
    ],
    // As podman 4.3 and buildah 1.28 say it.
    "registry with a fault": [
      "Error: initializing source docker://r.example/b:1: reading manifest 1 in r.example/b: received unexpected HTTP status: 503 Service Unavailable",
      "cannot be pulled: reading manifest 1 in r.example/b: received unexpected HTTP status: 503 Service Unavailable",
    ],
    "registry that redirects for ever": [
      'Error: initializing source docker://r.example/b:1: Get "https://r.example/v2/b/manifests/1": stopped after 10 redirects',
      "stopped after 10 redirects",
    ],
    "base's registry down": [
      'Error: initializing source docker://r.example/b:1: pinging container registry r.example: Get "https://r.example/v2/": dial tcp 192.0.2.1:443: connect: connection refused',
      "cannot be reached",
    ],
    "an image that was never built": [
      'Error: initializing source docker://localhost/b:1: pinging container registry localhost: Get "https://localhost/v2/": dial tcp [::1]:443: connect: connection refused',
      "neither here nor can it be pulled",
    ],
    "nothing to install from": [
      'Error: There are no enabled repositories in "/etc/yum.repos.d", "/etc/yum/repos.d", "/etc/distro.repos.d".',
      "need an entitlement",
    ],
    "base not pulled, podman": [
      "Error: creating build container: initializing source docker://quay.io/x:1: reading manifest 1 in quay.io/x: manifest unknown",
      "base image",
    ],
    "base not pulled, docker": ["ERROR: pull access denied for x, repository does not exist", "base image"],
    "registry without TLS": [
      "pinging container registry 10.0.0.1:5000: http: server gave HTTP response to HTTPS client",
      "no TLS",
    ],
    "unknown certificate": [
      "tls: failed to verify certificate: x509: certificate signed by unknown authority",
      "certificate is not trusted",
    ],
    "login refused": ["unauthorized: authentication required", "refuses the login"],
    "registry down": ['Get "https://r/v2/": dial tcp 127.0.0.1:1: connect: connection refused', "cannot be reached"],
    "name unknown": ["Temporary failure resolving 'mirror.example.com'", "cannot be reached"],
    "foreign platform": ["exec /bin/sh: exec format error", "cannot run programs of the wanted platform"],
    "docker not running": [
      "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
      "the engine is not running",
    ],
    "no containers allowed": [
      "Error during unshare(CLONE_NEWUSER): Operation not permitted",
      "may not make containers",
    ],
    "out of memory": [
      "c++: fatal error: Killed signal terminated program cc1plus\ncc1plus: fatal error: Killed",
      "lack of memory",
    ],
    "program missing": ["scripts/onload_build: line 9: gawk: command not found", "lacks the program gawk"],
    "program missing, dash": ["/bin/sh: 1: make: not found", "lacks the program make"],
  };
  for (const [name, [output, cause]] of Object.entries(rows)) {
    test(name, () => {
      const found = diagnose(output);
      expect(found?.cause).toContain(cause);
      expect(found?.remedy).not.toBe("");
    });
  }

  /*
   * What programs have printed, shortened, some with the names of our modules: gcc 12 and make here; dnf of ubi9
   * (red-hat-data-services/notebooks pull 1555, distributed-system-analysis/pbench pull 3211); docker
   * (triton-inference-server/dali_backend issue 84); modpost (lkrg-org/lkrg issue 65, cilynx/rtl88x2bu issue 185,
   * Xilinx-CNS/onload issue 164); a kernel built by clang (YeaSeb/wmo-oc-kmod issue 4).
   */
  const notice =
    "Updating Subscription Management repositories.\nUnable to read consumer identity\n\n" +
    "This system is not registered with an entitlement server. You can use subscription-manager to register.\n";
  const installed = `[2/3] STEP 4/12: RUN set -eu; dnf install -y gcc\n${notice}\nComplete!\n--> 89ffce004b73\n`;
  const compile = "[2/3] STEP 9/12: RUN scripts/onload_build --kernel\n";
  const podmanEnd =
    'Error: building at STEP "RUN scripts/onload_build --kernel": while running runtime: exit status 2\n';
  const killed = "gcc: fatal error: Killed signal terminated program cc1\ncompilation terminated.\n";
  const real: Record<string, [string, string | undefined]> = {
    "gcc killed, after dnf in an unsubscribed builder": [
      `${installed}${compile}${killed}make: *** [Makefile:2: a.o] Error 1\n${podmanEnd}`,
      "lack of memory",
    ],
    "anything else, after dnf in an unsubscribed builder": [
      `${installed}${compile}something unknown\n${podmanEnd}`,
      undefined,
    ],
    "g++ killed, long before the compilers beside it have ended, docker": [
      "#8 [builder 5/7] RUN scripts/onload_build --user\n#8 245.6 g++: fatal error: Killed signal terminated program cc1plus\n" +
        "#8 245.6 compilation terminated.\n#8 245.6 make[2]: *** [build.make:1266: x.o] Error 1\n" +
        "#8 245.6 make[2]: *** Waiting for unfinished jobs....\n".repeat(60) +
        '#8 ERROR: process "/bin/sh -c scripts/onload_build --user" did not complete successfully: exit code: 2\n',
      "lack of memory",
    ],
    "a step that was killed as a whole, podman": [
      `${compile}${podmanEnd.replace("status 2", "status 137")}`,
      "lack of memory",
    ],
    "a package that needs a subscription": [
      `[2/3] STEP 4/12: RUN dnf install\n${notice}\nNo match for argument: libpcap-devel\nError: Unable to find a match: libpcap-devel\n`,
      "the package libpcap-devel needs an entitlement",
    ],
    "a package that is not there": [
      "[2/3] STEP 4/12: RUN dnf install\nNo match for argument: rsyslog-mmjsonparse\nError: Unable to find a match: rsyslog-mmjsonparse\n",
      "do not have the package rsyslog-mmjsonparse",
    ],
    "a package that is not there, apt": [
      "STEP 4/12: RUN apt-get install\nE: Unable to locate package linux-headers-6.1.0-0-none\n",
      "do not have the package linux-headers-6.1.0-0-none",
    ],
    "a network that is down, in an unsubscribed builder": [
      `STEP 4/12: RUN dnf install\n${notice}\nCurl error (6): Couldn't resolve host name [Could not resolve host: mirror.example.com]\n`,
      "cannot be reached",
    ],
    "kernel-devel that cannot be installed": [
      `[2/3] STEP 4/12: RUN dnf install\n${notice}\nNo match for argument: kernel-devel-5.14.0-1.el9.x86_64\n` +
        `onloadctl: no headers for kernel 5.14.0-1.el9.x86_64 in the builder image\n${compile}make: *** Error 2\n${podmanEnd}`,
      "no headers for kernel 5.14.0-1.el9.x86_64",
    ],
    "headers that are not there, with another Dockerfile": [
      `${compile}make[1]: *** /lib/modules/5.14.0-1.el9.x86_64/build: No such file or directory.  Stop.\n${podmanEnd}`,
      "headers are missing",
    ],
    "headers that are not complete": [
      `${compile}WARNING: Symbol version dump "Module.symvers" is missing.\n` +
        `ERROR: modpost: "snprintf" [/opt/onload-source/x/sfc.ko] undefined!\n${podmanEnd}`,
      "not complete",
    ],
    "a symbol that the kernel does not export": [
      `${installed}${compile}ERROR: modpost: "cfg80211_external_auth_request" [/opt/onload-source/build/driver/sfc.ko] undefined!\n` +
        `make[1]: *** [scripts/Makefile.modpost:111: Module.symvers] Error 1\n${podmanEnd}`,
      "the kernel does not export cfg80211_external_auth_request, which the module sfc needs",
    ],
    "a symbol that an older kernel does not export": [
      `${compile}WARNING: "efrm_syscall_table" [/var/tmp/onload/onload.ko] undefined!\nmake: *** Error 2\n${podmanEnd}`,
      "does not export efrm_syscall_table, which the module onload needs",
    ],
    "a compiler that is not the kernel's": [
      `${compile}warning: the compiler differs from the one used to build the kernel\n` +
        "  The kernel was built by: clang version 15.0.7\n  You are using:           gcc (GCC) 12.2.1 20230201\n" +
        `gcc: error: unrecognized command-line option ‘-mretpoline-external-thunk’\n${podmanEnd}`,
      "the compiler does not know -mretpoline-external-thunk",
    ],
    "a compiler that only differs a little": [
      `${compile}warning: the compiler differs from the one used to build the kernel\n${killed}${podmanEnd}`,
      "lack of memory",
    ],
    "a function that another kernel has": [
      `${compile}efx.c:10:5: error: implicit declaration of function ‘strlcpy’; did you mean ‘strscpy’?\n${podmanEnd}`,
      "does not fit the headers",
    ],
    "the compiler of the kernel that is not there": [
      `${compile}/bin/sh: 1: gcc-12: not found\n${podmanEnd}`,
      "lacks the program gcc-12",
    ],
    "the same, from make": [
      `${compile}make[2]: gcc-12: No such file or directory\n${podmanEnd}`,
      "lacks the program gcc-12",
    ],
    "commands of the step that failed are not its output": [
      'STEP 9/12: RUN echo "unauthorized: authentication required"; false\n' +
        'Error: building at STEP "RUN echo "unauthorized: authentication required"; false": exit status 1\n',
      undefined,
    ],
    "what a step that went well has said, docker": [
      "#7 [builder 2/7] RUN dnf install\n#7 1.0 exec format error\n#7 DONE 2.0s\n#9 [builder 3/7] RUN make\n#9 0.4 unknown\n" +
        '#9 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 2\n',
      undefined,
    ],
  };
  for (const [name, [output, cause]] of Object.entries(real)) {
    test(name, () => {
      if (cause === undefined) expect(diagnose(output)).toBeUndefined();
      else expect(diagnose(output)?.cause).toContain(cause);
    });
  }

  test("what went wrong long before the end is not the cause", () => {
    const compiling = "  CC [M] onload.o\n".repeat(100);
    expect(diagnose(`Temporary failure resolving 'mirror.example.com'\n${compiling}`)).toBeUndefined();
    expect(diagnose(`onloadctl: no headers for kernel 6.1 in the builder image\n${compiling}`)?.cause).toContain("6.1");
  });

  test("what a Dockerfile may say is not taken for said, when an engine prints the commands of a step", () => {
    const step = (text: string): string => `[2/3] STEP 4/12: RUN set -eu; ${text.replaceAll("\\\n", "")}`;
    for (const dockerfile of Object.values(DOCKERFILES)) expect(diagnose(step(dockerfile))).toBeUndefined();
  });

  test("nothing known", () => expect(diagnose("onload.c:3: error: expected ;")).toBeUndefined());
});

test("lastLines leaves out empty ones", () => expect(lastLines("a\n\nb\n  \nc\n", 2)).toEqual(["b", "c"]));

test.each([
  "Error: initializing source docker://nope.invalid/x:1: pinging container registry nope.invalid: no such host",
  "manifest unknown",
  "unauthorized: authentication required",
  "x509: certificate signed by unknown authority",
  "http: server gave HTTP response to HTTPS client",
])("of an image that is only opened, no flag of builds is named: %s", (output) => {
  const { cause = "", remedy = "" } = diagnose(output, false) ?? {};
  expect(`${cause} ${remedy}`).not.toMatch(/--(?:builder-image|user-base|module-base|dtk-image)|base image/);
  expect(remedy).not.toBe("");
});
