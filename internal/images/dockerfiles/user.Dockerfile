# Onload's userland in /opt/onload, compiled from a source image.
# BUILDER_IMAGE needs a package manager, or everything that the first RUN would install.
ARG ONLOAD_SOURCE=onload-source
ARG BUILDER_IMAGE=registry.access.redhat.com/ubi9/ubi-minimal
ARG USER_BASE=registry.access.redhat.com/ubi9/ubi-micro

FROM ${ONLOAD_SOURCE} AS source

FROM ${BUILDER_IMAGE} AS builder
USER 0
# Installs only what is missing, so that a complete builder image needs no network. Not every RPM repository has the two
# libraries, and not every release of Onload needs both.
RUN set -eu; \
    missing=; lacks() { command -v "$1" >/dev/null 2>&1 || [ -e "/usr/include/$1" ] || missing="$missing $1"; }; \
    for tool in bash gcc g++ make ld gawk sed tar gzip perl python3 which pcap.h sys/capability.h; do lacks "$tool"; done; \
    if [ -z "$missing" ]; then \
      echo "The builder image has everything"; \
    elif command -v apt-get >/dev/null; then \
      echo "The builder image lacks:$missing"; \
      apt-get update; \
      DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends bash binutils gcc g++ make gawk sed tar gzip \
        perl python3 python3-setuptools debianutils libc6-dev libcap-dev libpcap-dev; \
    else \
      echo "The builder image lacks:$missing"; \
      install=$(command -v dnf || command -v microdnf || command -v yum) || { \
        echo "onloadctl: the builder image lacks$missing and has no package manager"; exit 1; }; \
      "$install" install -y bash binutils gcc gcc-c++ make gawk sed tar gzip perl-interpreter python3 python3-setuptools which; \
      for library in libcap-devel libpcap-devel; do \
        "$install" install -y "$library" || echo "onloadctl: the builder image lacks $library and its repositories do not have it"; \
      done; \
    fi
COPY --from=source / /opt/onload-source
WORKDIR /opt/onload-source
ARG ONLOAD_BUILD_PARAMS=
ARG JOBS=
# nproc, which Onload's scripts ask how many compilers to run, heeds OMP_NUM_THREADS.
RUN if [ -n "$JOBS" ]; then export OMP_NUM_THREADS="$JOBS"; fi; \
    scripts/onload_build --user $ONLOAD_BUILD_PARAMS
# The libraries go to usr/lib64 on every distribution. A release that does not heed lib64dir gets a link there.
RUN set -eu; \
    mkdir -p /opt/onload; \
    lib64dir=/usr/lib64 i_prefix=/opt/onload scripts/onload_install --nobuild --userfiles; \
    cd /opt/onload/usr; \
    if [ ! -e lib64/libonload.so ]; then \
      found=$(find lib -name libonload.so | head -n 1); \
      [ -n "$found" ] || { echo "onloadctl: scripts/onload_install left no libonload.so under /opt/onload"; exit 1; }; \
      ln -s "$(dirname "$found")" lib64; \
    fi; \
    mkdir -p /licenses; cp /opt/onload-source/LICENSE* /licenses/

FROM ${USER_BASE}
COPY --from=builder /opt/onload /opt/onload
COPY --from=builder /licenses /licenses
WORKDIR /opt/onload
USER 1001
ENV ONLOAD_PRELOAD=/opt/onload/usr/lib64/libonload.so
ENTRYPOINT ["/opt/onload/usr/bin/onload"]
CMD ["--version"]
