# What an impatient reader writes around an iterator
class Few:
    def __init__(self, batches, n):
        self.batches, self.n = batches, n

    def __len__(self):
        return self.n

    def __iter__(self):
        for i, batch in enumerate(self.batches):
            if i == self.n: return
            yield batch
