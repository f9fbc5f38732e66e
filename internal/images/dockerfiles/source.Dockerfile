# Onload's source tree at the root of an otherwise empty image. The build context is the unpacked tree.
FROM scratch
COPY . /
COPY LICENSE* /licenses/
USER 1001
