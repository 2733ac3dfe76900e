package models

// FreeSpace is what an ordinary user can still write to the file system of dir, in bytes; -1 where it cannot be told.
func FreeSpace(dir string) (int64, error) { return freeSpace(dir) }
