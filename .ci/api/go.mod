// What the engine offers to programs that embed it is compared with what it offered, in a module of its own, so that freehold's does not take this on.
module github.com/freehold-slm/freehold/.ci/api

go 1.26.0

require (
	golang.org/x/exp v0.0.0-20261014143641-f0251eb4aa3e
	golang.org/x/tools v0.52.0
)

require (
	golang.org/x/mod v0.42.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
)
