module clicks.example

go 1.19
