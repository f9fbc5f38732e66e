# onloadctl itself: operator, device plugin and tools. The base needs glibc and nothing else.
# The build context holds the executable.
ARG ONLOADCTL_BASE=registry.access.redhat.com/ubi9/ubi-micro

FROM ${ONLOADCTL_BASE}
COPY onloadctl /usr/bin/onloadctl
USER 65532:65532
ENTRYPOINT ["/usr/bin/onloadctl"]
