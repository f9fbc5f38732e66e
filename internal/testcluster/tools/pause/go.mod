module onloadctl/tools/pause

go 1.26
