// Package lock takes from a process what a server needs no more once it listens, and a job never: new connections and sockets, other programs, and files
// outside some folders. It cannot be undone, and holds for all threads and whatever they start.
package lock

import "fmt"

// Folders are what a locked process may still open files in, with all below, and whether it may go on making connections.
type Folders struct {
	Read  []string
	Write []string // files: read, made, changed, removed
	Own   []string // folders and links made and removed, too, and files moved between folders

	Network string // why sockets, connections and other programs stay possible; "" = they are not
}

// Denied is what a part of the lock says when it holds.
const Denied = "denied"

// State is what holds now: Denied, or why it does not.
type State struct {
	Connections string `json:"connections"` // new sockets and connections, and other programs (seccomp)
	Files       string `json:"files"`       // files outside of Folders (Landlock)
}

// Off is the state of a process that was not to be locked.
func Off(why string) State { return State{why, why} }

// Whole tells whether everything holds.
func (s State) Whole() bool { return s.Connections == Denied && s.Files == Denied }

func (s State) String() string {
	return fmt.Sprintf("new connections: %s; files elsewhere: %s", s.Connections, s.Files)
}
