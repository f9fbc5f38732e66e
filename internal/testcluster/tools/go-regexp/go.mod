module onloadctl/tools/go-regexp

go 1.26
