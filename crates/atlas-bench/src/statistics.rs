//! Medians and spreads of a few runs.

/// What several runs of one measurement gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Runs(Vec<f64>);

impl Runs {
    /// Adds a run's figure.
    pub fn push(&mut self, figure: f64) {
        self.0.push(figure);
        self.0.sort_by(f64::total_cmp);
    }

    /// The middle figure (of an even number the mean of the two in the middle); none without a run.
    pub fn median(&self) -> Option<f64> {
        let count = self.0.len();
        match count {
            0 => None,
            _ if count % 2 == 1 => Some(self.0[count / 2]),
            _ => Some(f64::midpoint(self.0[count / 2 - 1], self.0[count / 2])),
        }
    }

    /// How far the runs lie apart: (largest − smallest) / median, in percent.
    pub fn spread_percent(&self) -> Option<f64> {
        let median = self.median()?;
        let (first, last) = (self.0.first()?, self.0.last()?);
        (median != 0.0).then(|| (last - first) / median.abs() * 100.0)
    }

    /// The figures in ascending order.
    pub fn sorted(&self) -> &[f64] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(figures: &[f64]) -> Runs {
        let mut runs = Runs::default();
        for &figure in figures {
            runs.push(figure);
        }
        runs
    }

    #[test]
    fn the_median_is_the_middle_one() {
        let cases: [(&[f64], Option<f64>); 4] = [
            (&[], None),
            (&[3.0], Some(3.0)),
            (&[9.0, 1.0, 2.0], Some(2.0)),
            (&[4.0, 1.0, 2.0, 9.0], Some(3.0)),
        ];
        for (figures, median) in cases {
            assert_eq!(runs(figures).median(), median);
        }
    }

    #[test]
    fn the_spread_is_relative_to_the_median() {
        assert_eq!(runs(&[9.0, 10.0, 11.0]).spread_percent(), Some(20.0));
        assert_eq!(runs(&[]).spread_percent(), None);
        assert_eq!(runs(&[0.0]).spread_percent(), None);
    }
}
