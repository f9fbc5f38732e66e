/** The cause of a failed step, as far as its output shows it, and the remedy. */
export interface Diagnosis {
  cause: string;
  remedy: string;
}

interface Rule {
  pattern: RegExp;
  cause: (match: RegExpExecArray) => string;
  remedy: string;
  /** Looked for in the whole output, not only near its end, because only our own Dockerfiles print such a text. */
  anywhere?: boolean;
}

/** A step prints the reason of its failure within this many last lines. */
const END_LINES = 40;

/*
 * Engines print the commands of a step before they run them. So every message of our Dockerfiles is in every output,
 * after `echo "`. It has really been printed only if it also occurs elsewhere.
 */

/** The first match counts, so texts that prove a cause come before texts that only suggest one. */
const RULES: readonly Rule[] = [
  {
    pattern: /no space left on device|disk quota exceeded/i,
    cause: () => "the disk is full",
    remedy: "free space where the engine keeps images (podman system prune, docker system prune) or in $TMPDIR",
  },
  {
    anywhere: true,
    pattern: /(?<!echo ")onloadctl: no headers for kernel (\S+)/i,
    cause: (match) => `the builder image has no headers for kernel ${match[1]} and they cannot be installed`,
    remedy: "give an image that has them with --builder-image, or the Driver Toolkit of that kernel with --dtk-image",
  },
  {
    anywhere: true,
    pattern: /(?<!echo ")onloadctl: (.+ image lacks.+|scripts\/onload_install left no .+)/i,
    cause: (match) => match[1]!,
    remedy: "give another image with --builder-image or --module-base",
  },
  {
    pattern:
      /not registered with an entitlement|subscription-manager|no enabled repos|entitlement|Cannot download repomd\.xml.*403/i,
    cause: () => "the Red Hat repositories need an entitlement that this machine does not have",
    remedy: "build on a subscribed host, or give a builder image that has the packages with --builder-image",
  },
  {
    pattern: /server gave HTTP response to HTTPS client|http: server gave HTTP/i,
    cause: () => "the registry has no TLS",
    remedy: "add --insecure-registry",
  },
  {
    pattern: /x509:|certificate signed by unknown authority|tls: failed to verify/i,
    cause: () => "the registry's certificate is not trusted here",
    remedy: "install its CA for the engine, or add --insecure-registry",
  },
  {
    pattern: /unauthorized|authentication required|denied: requested access|403 \(?forbidden/i,
    cause: () => "the registry refuses the login",
    remedy: "log in with the engine (podman login, docker login) or give --authfile",
  },
  {
    pattern:
      /(initializing source docker:\/\/[^\s:]+\S*|manifest unknown|pull access denied|short-name .* did not resolve|image not known|no such image|repository .* not found)/i,
    cause: () => "a base image is neither here nor can it be pulled",
    remedy: "pull it by hand, or name another with --builder-image, --user-base or --module-base",
  },
  {
    pattern:
      /connection refused|no such host|i\/o timeout|network is unreachable|temporary failure (in name resolution|resolving)|could not resolve/i,
    cause: () => "the network or the registry cannot be reached",
    remedy: "check the name, the port, DNS and the proxy",
  },
  {
    pattern: /exec format error/i,
    cause: () => "this machine cannot run programs of the wanted platform",
    remedy: "install qemu-user-static with its binfmt entries, or build on a machine of that platform",
  },
  {
    pattern: /cannot connect to the docker daemon|is the docker daemon running|cannot connect to podman/i,
    cause: () => "the engine is not running",
    remedy: "start it, or choose another with --engine",
  },
  {
    pattern:
      /newuidmap|error during unshare|cannot clone: operation not permitted|operation not permitted.*(unshare|mount)|runc.*permission denied/i,
    cause: () => "the engine may not make containers here",
    remedy: "run as root, or set BUILDAH_ISOLATION=chroot",
  },
  {
    pattern: /signal: killed|out of memory|cc1plus?: fatal error: killed/i,
    cause: () => "a compiler was killed, most likely for lack of memory",
    remedy: "give the machine more memory or fewer CPUs",
  },
  {
    pattern: /(?:^|[:\s])(\S+): (?:command )?not found/im,
    cause: (match) => `the builder image lacks the program ${match[1]}`,
    remedy: "install it in the image given with --builder-image",
  },
];

/** Looks for a known cause in the output of a step; undefined if there is none. */
export function diagnose(output: string): Diagnosis | undefined {
  const end = lastLines(output, END_LINES).join("\n");
  for (const { pattern, cause, remedy, anywhere } of RULES) {
    const match = pattern.exec(anywhere ? output : end);
    if (match) return { cause: cause(match), remedy };
  }
  return undefined;
}

/** The last lines of an output, without empty ones. */
export function lastLines(output: string, count: number): string[] {
  return output
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(-count);
}
