# Onload's kernel modules for one kernel, laid out for Kernel Module Management under /opt/lib/modules/KERNEL.
# Needs no build context, so that it also builds inside the cluster, where DTK_AUTO and KERNEL_FULL_VERSION are set for it.
ARG DTK_AUTO
ARG BUILDER_IMAGE=${DTK_AUTO}
ARG ONLOAD_SOURCE=onload-source
ARG MODULE_BASE=registry.access.redhat.com/ubi9/ubi-minimal

FROM ${ONLOAD_SOURCE} AS source

FROM ${BUILDER_IMAGE} AS builder
USER 0
ARG KERNEL_FULL_VERSION
# Installs only what is missing, so that a complete builder image, as the Driver Toolkit is, needs no network.
RUN set -eu; \
    k="$KERNEL_FULL_VERSION"; headers="/lib/modules/$k/build/Makefile"; \
    missing=; for tool in bash gcc make ld gawk sed tar gzip depmod strip; do \
      command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"; done; \
    if [ -z "$missing" ] && [ -e "$headers" ]; then \
      echo "The builder image has everything"; \
    elif command -v apt-get >/dev/null; then \
      apt-get update || true; \
      if [ -n "$missing" ]; then \
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
          bash binutils gcc make gawk sed tar gzip perl kmod libelf-dev debianutils; \
      fi; \
      [ -e "$headers" ] || DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "linux-headers-$k" || true; \
    else \
      install=$(command -v dnf || command -v microdnf || command -v yum) || { \
        echo "onloadctl: the builder image lacks$missing and has no package manager"; exit 1; }; \
      if [ -n "$missing" ]; then \
        "$install" install -y bash binutils gcc make gawk sed tar gzip perl-interpreter kmod elfutils-libelf-devel which; \
      fi; \
      [ -e "$headers" ] || "$install" install -y "kernel-devel-$k" || true; \
    fi; \
    [ -e "$headers" ] || echo "onloadctl: no headers for kernel $k in the builder image"
COPY --from=source / /opt/onload-source
WORKDIR /opt/onload-source
ARG ONLOAD_BUILD_PARAMS=
ARG JOBS=
# nproc, which Onload's scripts ask how many compilers to run, heeds OMP_NUM_THREADS.
RUN if [ -n "$JOBS" ]; then export OMP_NUM_THREADS="$JOBS"; fi; \
    scripts/onload_build --kernel --kernelver "$KERNEL_FULL_VERSION" $ONLOAD_BUILD_PARAMS
ARG STRIP=true
RUN set -eu; \
    k="$KERNEL_FULL_VERSION"; out="/opt/lib/modules/$k"; \
    i_prefix=/opt scripts/onload_install --nobuild --kernelfiles --kernelver "$k"; \
    find "$out" -type f ! -name '*.ko' -delete; find "$out" -depth -type d -empty -delete; \
    [ -d "$out" ] || { echo "onloadctl: scripts/onload_install left no module under $out"; exit 1; }; \
    if [ "$STRIP" = true ]; then find "$out" -name '*.ko' -exec strip --strip-debug {} +; fi
# depmod must see the kernel's own modules to note which of them ours need. Where the builder has only headers and
# ours do need some, the kernel's package is unpacked for it. Of two modules of one name, ours counts.
RUN set -eu; \
    k="$KERNEL_FULL_VERSION"; out="/opt/lib/modules/$k"; \
    if [ ! -d "/lib/modules/$k/kernel" ]; then \
      find "$out" -name '*.ko' -exec basename {} .ko \; >/tmp/ours; \
      find "$out" -name '*.ko' -exec modinfo -F depends {} \; | tr ',' '\n' | grep . | grep -vxF -f /tmp/ours | sort -u >/tmp/needed || true; \
      if [ -s /tmp/needed ]; then \
        echo "Modules of the kernel itself are needed:" $(cat /tmp/needed); \
        mkdir -p /tmp/kernel; cd /tmp/kernel; \
        if command -v apt-get >/dev/null; then \
          apt-get update || true; \
          for package in "linux-image-$k" "linux-modules-$k"; do apt-get download "$package" || true; done; \
          for deb in *.deb; do [ ! -e "$deb" ] || dpkg-deb --fsys-tarfile "$deb" | tar -x --wildcards '*lib/modules/*' || true; done; \
          for root in lib usr/lib; do \
            [ ! -d "$root/modules/$k" ] || cp -a "$root/modules/$k/." "/lib/modules/$k/"; done; \
        fi; \
        [ -d "/lib/modules/$k/kernel" ] || \
          echo "onloadctl: the modules of kernel $k are not in the builder image, so modules.dep leaves out:" $(cat /tmp/needed); \
      fi; \
    fi; \
    for list in modules.builtin modules.builtin.modinfo modules.order; do \
      if [ -e "/lib/modules/$k/$list" ]; then cp "/lib/modules/$k/$list" "$out/"; fi; done; \
    touch "$out/modules.builtin" "$out/modules.builtin.modinfo" "$out/modules.order"; \
    if [ -d "/lib/modules/$k/kernel" ]; then ln -s "/lib/modules/$k/kernel" "$out/kernel"; fi; \
    echo "search extra updates built-in" >/tmp/depmod.conf; \
    depmod -C /tmp/depmod.conf -b /opt "$k"; \
    ln -sfn "/lib/modules/$k/kernel" "$out/kernel"; \
    rm -rf /licenses; mkdir -p /licenses; cp /opt/onload-source/LICENSE* /licenses/

FROM ${MODULE_BASE}
ARG KERNEL_FULL_VERSION
USER 0
# Kernel Module Management runs sh, cp, mkdir and modprobe in this image.
RUN set -eu; \
    command -v modprobe >/dev/null || { \
      if command -v apt-get >/dev/null; then \
        apt-get update; apt-get install -y --no-install-recommends kmod; rm -rf /var/lib/apt/lists/*; \
      elif install=$(command -v microdnf || command -v dnf || command -v yum); then \
        "$install" install -y kmod; "$install" clean all; \
      fi; }; \
    for tool in sh cp mkdir modprobe; do \
      command -v "$tool" >/dev/null || { echo "onloadctl: the module base image lacks $tool and has no way to install it"; exit 1; }; done
COPY --from=builder /opt/lib/modules/${KERNEL_FULL_VERSION} /opt/lib/modules/${KERNEL_FULL_VERSION}
COPY --from=builder /licenses /licenses
