/** The cause of a failed step, as far as its output shows it, and the remedy. */
export interface Diagnosis {
  cause: string;
  remedy: string;
}

interface Rule {
  pattern: RegExp;
  cause: (match: RegExpExecArray) => string;
  remedy: string;
  /** What to say instead where images are only opened: nothing is built, and flags of builds are unknown. */
  opened?: Diagnosis;
  /** Must be near the end of the failed step too. */
  also?: RegExp;
  /**
   * Where to look (default: near the end of the failed step). "step": everywhere in the failed step, for what compilers that
   * run side by side print long before the end. "output": in all steps, for texts that only our own Dockerfiles print.
   */
  where?: "step" | "output";
}

/** A step prints the reason of its failure within this many last lines. */
const END_LINES = 40;

/*
 * Engines print the commands of a step before they run them. So every message of our Dockerfiles is in every output,
 * after `echo "`. It has really been printed only if it also occurs elsewhere.
 */

const MISSING_PACKAGE =
  /(?:unable to find a match|no match for argument): (\S+)|no package matches '(\S+)'|unable to locate package (\S+)/i;
const SUBSCRIBE = "build on a subscribed host, or give a builder image that has the packages with --builder-image";
const OTHER_COMPILER =
  "give a builder image with the compiler of the kernel: its Driver Toolkit (--dtk-image), or an image of its distribution";
const OTHER_RELEASE =
  "take a release of Onload that knows this kernel, most likely a newer one, or build for another kernel";

/** The first match counts, so texts that prove a cause come before texts that only suggest one. */
const RULES: readonly Rule[] = [
  {
    pattern: /no space left on device|disk quota exceeded/i,
    cause: () => "the disk is full",
    remedy: "free space where the engine keeps images (podman system prune, docker system prune) or in $TMPDIR",
  },
  {
    pattern: /: read-only file system/i,
    cause: () => "the engine cannot write where it keeps images and works",
    remedy: "let its storage (podman info, docker info) and $TMPDIR be in folders that can be written to",
  },
  {
    where: "step",
    pattern:
      /signal: killed|out of memory|virtual memory exhausted|Killed signal terminated program|: fatal error: killed|internal compiler error: Killed|terminated with signal 9|^make.*\] Killed$|exit (?:status|code:?) 137/im,
    cause: () => "a compiler was killed, most likely for lack of memory",
    remedy: "give the machine more memory or fewer CPUs",
  },
  {
    where: "output",
    pattern: /(?<!echo ")onloadctl: no headers for kernel (\S+)/i,
    cause: (match) => `the builder image has no headers for kernel ${match[1]} and they cannot be installed`,
    remedy:
      "give an image that has them with --builder-image, or the Driver Toolkit of that kernel with --dtk-image; " +
      "Red Hat's own headers are only installed on a subscribed host",
  },
  {
    where: "output",
    pattern: /(?<!echo ")onloadctl: (.+ image lacks.+|scripts\/onload_install left no .+)/i,
    cause: (match) => match[1]!,
    remedy: "give another image with --builder-image or --module-base",
  },
  {
    pattern: /server gave HTTP response to HTTPS client|http: server gave HTTP/i,
    cause: () => "the registry has no TLS",
    remedy: "name it with --insecure-registry, and for docker in insecure-registries of its daemon.json",
  },
  {
    pattern: /x509:|certificate signed by unknown authority|tls: failed to verify/i,
    cause: () => "the registry's certificate is not trusted here",
    remedy: "install its CA for the engine, or name it with --insecure-registry",
  },
  {
    pattern: /unauthorized|authentication required|denied: requested access|403 \(?forbidden/i,
    cause: () => "the registry refuses the login",
    remedy: "log in with the engine (podman login, docker login) or give --authfile",
  },
  {
    pattern:
      /(initializing source docker:\/\/localhost\/|manifest unknown|pull access denied|short-name .* did not resolve|image not known|no such image|repository .* not found)/i,
    cause: () => "a base image is neither here nor can it be pulled",
    remedy: "pull it by hand, or name another with --builder-image, --user-base or --module-base",
    opened: { cause: "it is neither here nor can it be pulled", remedy: "correct its name, or pull it by hand" },
  },
  {
    pattern:
      /connection refused|no such host|i\/o timeout|network is unreachable|temporary failure (in name resolution|resolving)|could not resolve/i,
    cause: () => "the network or the registry cannot be reached",
    remedy: "check the name, the port, DNS and the proxy",
  },
  {
    // Skopeo has it in quotes.
    pattern: /initializing source docker:\/\/\S+: (.{1,300}?)"?$/im,
    cause: ([, reason = ""]) => `an image cannot be pulled: ${reason}`,
    remedy: "see what is wrong with the registry, or pull the image by hand",
  },
  // Dnf prints its notice on every unsubscribed machine, and most of what it installs there needs no subscription.
  {
    pattern: /no enabled repositories|no enabled repos\b|cdn\.redhat\.com.*\b403\b|\b403\b.*cdn\.redhat\.com/i,
    cause: () => "the Red Hat repositories need an entitlement that this machine does not have",
    remedy: SUBSCRIBE,
  },
  {
    pattern: MISSING_PACKAGE,
    also: /not registered with an entitlement|unable to read consumer identity|found 0 entitlement certificates/i,
    cause: (match) =>
      `the package ${packageOf(match)} needs an entitlement to Red Hat's repositories that this machine does not have`,
    remedy: SUBSCRIBE,
  },
  {
    pattern: MISSING_PACKAGE,
    cause: (match) => `the repositories of the builder image do not have the package ${packageOf(match)}`,
    remedy: "give an image that has it with --builder-image",
  },
  {
    where: "step",
    pattern: /unrecognized command[- ]line option [‘'"«`]?(-[^\s’'"»`]+)/,
    cause: (match) => `the compiler does not know ${match[1]}, so it is not the one that the kernel was built with`,
    remedy: OTHER_COMPILER,
  },
  {
    where: "step",
    pattern: /incompatible gcc\/plugin versions|cannot load plugin \S*\/gcc-plugins\//,
    cause: () => "the compiler is not the one that the kernel was built with",
    remedy: OTHER_COMPILER,
  },
  {
    where: "step",
    pattern:
      /Symbol version dump \S+ is missing|Kernel configuration is invalid|No rule to make target [‘'`]modules['’]|\*\*\* \/(?:lib\/modules|usr\/src)\/\S+: No such file or directory/,
    cause: () => "the kernel's headers are missing in the builder image, or are not complete",
    remedy:
      "give an image that has all of them with --builder-image, or the Driver Toolkit of that kernel with --dtk-image",
  },
  {
    where: "step",
    pattern: /^(?:ERROR|WARNING): (?:modpost: )?"(\w+)" \[(?:\S*\/)?([\w-]+)\.ko\] undefined!/m,
    cause: (match) => `the kernel does not export ${match[1]}, which the module ${match[2]} needs`,
    remedy: OTHER_RELEASE,
  },
  {
    where: "step",
    pattern: /GPL-incompatible module (\S+?)(?:\.ko)? uses GPL-only symbol '(\w+)'/,
    cause: (match) =>
      `the kernel exports ${match[2]} only to modules under the GPL, and the module ${match[1]} needs it`,
    remedy: OTHER_RELEASE,
  },
  {
    where: "step",
    pattern:
      /error: (implicit declaration of function .+|too (?:few|many) arguments to function .+|.+ has no member named .+|.*incompatible pointer type.*)/,
    cause: (match) => `the source does not fit the headers of the builder image (${match[1]!.slice(0, 100)})`,
    remedy: OTHER_RELEASE,
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
    pattern: /(?:^|[:\s])(\S+): (?:command )?not found|^make(?:\[\d+\])?: ([\w.+-]+): No such file or directory/im,
    cause: (match) => `the builder image lacks the program ${match[1] ?? match[2]}`,
    remedy: "install it in the image given with --builder-image",
  },
];

function packageOf(match: RegExpExecArray): string {
  return match[1] ?? match[2] ?? match[3] ?? "";
}

/**
 * Looks for a known cause in the output of a build or of another command; undefined if there is none.
 *
 * @param builds whether images are built, and not only opened
 */
export function diagnose(output: string, builds = true): Diagnosis | undefined {
  const step = failedStep(output);
  const end = lastLines(step, END_LINES).join("\n");
  const texts = { output, step, end };
  for (const { pattern, cause, remedy, opened, also, where = "end" } of RULES) {
    const match = pattern.exec(texts[where]);
    if (!match || (also !== undefined && !also.test(end))) continue;
    return !builds && opened ? opened : { cause: cause(match), remedy };
  }
  return undefined;
}

/**
 * What the step that failed has printed, without its commands. Podman and buildah print "STEP 4/12: RUN ..." before a step
 * and end with 'Error: building at STEP "RUN ...": REASON'. Docker begins each line with the number of its step and says
 * "#9 ERROR: process "..." did not complete successfully: REASON".
 */
function failedStep(output: string): string {
  const failed = /^#(\d+) ERROR: /m.exec(output)?.[1];
  const lines = output.split("\n");
  if (failed !== undefined) {
    const own = lines.filter((line) => line.startsWith(`#${failed} `) && !line.startsWith(`#${failed} [`));
    return own.map((line) => withoutCommands(line.replace(/^#\d+ (?:\d+\.\d+ )?/, ""))).join("\n");
  }
  const last = lines.findLastIndex((line) => /^(?:\[\d+\/\d+\] )?STEP \d+(?:\/\d+)?: /.test(line));
  return lines
    .slice(last + 1)
    .map(withoutCommands)
    .join("\n");
}

function withoutCommands(line: string): string {
  return line.replace(/(building at STEP|process) ".*"(?=:| did not)/, "$1");
}

/** The last lines of an output, without empty ones. */
export function lastLines(output: string, count: number): string[] {
  return output
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(-count);
}
