# levels: base v3
# dtypes: f32 f64
# Connectionist temporal classification: the loss of each sequence of a batch, and its gradient. The algorithm is ctc.h.
from cyexec.kernels.step cimport Span, Step, Team, share

cdef extern from "ctc.h" nogil:
    long ctc_workspace(long steps, long labels) noexcept
    real ctc_loss(const real* x, long all_steps, long steps, long stride, long classes, const double* labels, long count,
                  long blank, real* grad, double* work) noexcept


cdef class CtcLoss(Step):
    """Losses (batch) of x (steps, batch, classes) against labels (batch, width).

    reads: x, labels [, lengths of the data] [, lengths of the labels]; all but x are float64.
    writes: losses, work [, gradient of x]. Without lengths, a label ends before its first negative number, or `padding`.
    """
    cdef const real[::1] x            # IN     (steps, batch, classes)
    cdef const double[::1] labels     # IN     (batch, width)
    cdef const double[::1] data_lengths, label_lengths  # IN   (batch) or empty
    cdef real[::1] loss               # OUT    (batch)
    cdef double[::1] work             # workspace, for each sequence
    cdef real[::1] grad               # OUT    as x, or empty
    cdef long steps, batch, classes, width, blank, each
    cdef double padding
    cdef bint has_data_lengths, has_label_lengths, has_grad

    def __init__(self, reads, writes, *, steps, batch, classes, width, blank, padding, has_data_lengths=False,
                 has_label_lengths=False):
        self.x, self.labels = reads[0].reshape(-1), reads[1].reshape(-1)
        if has_data_lengths:
            self.data_lengths = reads[2].reshape(-1)
        if has_label_lengths:
            self.label_lengths = reads[2 + has_data_lengths].reshape(-1)
        self.loss, self.work = writes[0].reshape(-1), writes[1].reshape(-1)
        self.has_data_lengths, self.has_label_lengths = has_data_lengths, has_label_lengths
        self.has_grad = len(writes) > 2 and self.x.shape[0] > 0
        if len(writes) > 2:
            self.grad = writes[2].reshape(-1)
        self.steps, self.batch, self.classes, self.width = steps, batch, classes, width
        self.blank, self.padding, self.each = blank, padding, ctc_workspace(steps, width)
        wrong = (
            self.x.shape[0] != steps * batch * classes or self.labels.shape[0] != batch * width
            or self.loss.shape[0] != batch or has_data_lengths and self.data_lengths.shape[0] != batch
            or has_label_lengths and self.label_lengths.shape[0] != batch
            or len(writes) > 2 and self.grad.shape[0] != self.x.shape[0] or not 0 <= blank < classes
        )
        if wrong:
            raise ValueError(f"CtcLoss: sizes do not fit steps={steps}, batch={batch}, classes={classes}, width={width}")
        if self.work.shape[0] < batch * self.each:
            raise ValueError(f"CtcLoss: workspace of {self.work.shape[0]} elements, needs {batch * self.each}")
        self.cost = batch * steps * (classes * 4.0 + width * 40.0)

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t n
        cdef long steps, count
        cdef double wanted
        cdef Span part = share(team, self.batch, 1)
        for n in range(part.start, part.stop):
            steps, count = self.steps, 0
            if self.has_data_lengths:
                wanted = self.data_lengths[n]
                steps = self.steps if wanted > self.steps else <long>wanted if wanted > 0 else 0
            if self.has_label_lengths:
                wanted = self.label_lengths[n]
                count = self.width if wanted > self.width else <long>wanted if wanted > 0 else 0
            else:
                while (count < self.width and self.labels[n * self.width + count] >= 0
                       and self.labels[n * self.width + count] != self.padding):
                    count += 1
            self.loss[n] = ctc_loss(
                &self.x[n * self.classes] if self.steps else NULL, self.steps, steps, self.batch * self.classes,
                self.classes, &self.labels[n * self.width] if self.width else NULL, count, self.blank,
                &self.grad[n * self.classes] if self.has_grad else NULL,
                &self.work[n * self.each],
            )
